-- For each order: what was taken = what its seats cost while it owns them + what went back or will + what was kept of that.
SELECT count(*) FROM session_books WHERE taken <> tickets + refunds + fees
