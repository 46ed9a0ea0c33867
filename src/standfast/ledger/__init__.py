"""The ledger: every decision as one record of a hash chain. What is written, and how it is verified; pure."""
