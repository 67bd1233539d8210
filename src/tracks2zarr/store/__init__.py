"""The store on disk: states, modes, commit, receipts, and the root."""
