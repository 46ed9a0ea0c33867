"""What a service hangs on, what one loss takes with it, and how likely that is. Pure: reads no file, asks no clock."""
