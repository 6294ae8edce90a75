SELECT GET_LOCK(CONCAT('nebula_notification:', MD5(DATABASE())), 60)
