-- Names of locks belong to the server, and have at most 64 characters.
SELECT get_lock(concat('nebula_delay:', md5(database())), 60)
