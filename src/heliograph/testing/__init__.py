"""What tests share: peers of other makers, and loopback addresses of their own. Nothing else imports it."""
