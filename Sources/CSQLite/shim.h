#ifndef SESSION_FCGI_CSQLITE_SHIM_H
#define SESSION_FCGI_CSQLITE_SHIM_H

#include <sqlite3.h>

/* SQLITE_TRANSIENT is a cast of -1 to a function's address, which Swift does not import. */
static inline int csqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, sqlite3_uint64 count) {
    /* A null pointer would bind NULL. */
    return sqlite3_bind_blob64(statement, index, bytes ? bytes : "", count, SQLITE_TRANSIENT);
}

/* The calls that configure a connection are variadic, which Swift does not import either. */
static inline int csqlite_configure(sqlite3 *connection) {
    int error = sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)0);
    if (!error) error = sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)0);
    /* A checkpoint belongs under the host's lock, and closing does not hold it. */
    if (!error) error = sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
    return error;
}

#endif
