"""What no plan may do: the rules that every plan is held against before it is published."""
