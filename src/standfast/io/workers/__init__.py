"""Workers: processes that answer by UDP from what the guard has prepared for them."""
