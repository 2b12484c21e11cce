"""Commands on board: journalled before they run, run at most once, and every stage reported."""
