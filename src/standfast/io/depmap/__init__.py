"""Where maps come from and go to: files, folders, published lists, and what a guard has seen."""
