UPDATE nebula_notification_code
SET digest = ?, tries = ?, ends = @now + ?, cool_until = @now + ?
WHERE name = ? AND cool_until <= @now
