"""Where maps come from and go to: files, folders and published lists."""
