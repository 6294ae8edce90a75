SELECT body, files, id FROM nebula_notification_job WHERE id > ''
-- tenant
AND tenant = ?
-- address
AND address = ?
-- notification
AND notification = ?
-- template
AND template = ?
-- status
AND status = ?
-- since
AND created >= ?
-- until
AND created < ?
-- before
AND id < ?
-- end
ORDER BY id DESC LIMIT ?
