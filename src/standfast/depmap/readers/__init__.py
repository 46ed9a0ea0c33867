"""What files say of who needs what: a reader for each kind. Each takes octets and tells; none merges or judges."""
