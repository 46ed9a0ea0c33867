"""The race of 20 October 2025, between enactors of one control plane: the original design beside ours.

`story` says who is called what and who is held up when, `original` is the rival, `ours` the product on the same stage;
`simulated` and `live` play both, and `telling` makes the account.
"""
