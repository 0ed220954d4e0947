// SQLite, and what of it Swift cannot call: a function with variable arguments, and the "destructor" that is the number -1 and asks
// SQLite to copy what is bound before the call returns. No bytes may have no address, which SQLite would bind as NULL.
#ifndef NEEDLETAIL_CSQLITE_H
#define NEEDLETAIL_CSQLITE_H

#include <sqlite3.h>

static inline int csqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, sqlite3_uint64 count) {
  return sqlite3_bind_text64(statement, index, text ? text : "", count, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static inline int csqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, sqlite3_uint64 count) {
  return sqlite3_bind_blob64(statement, index, bytes ? bytes : "", count, SQLITE_TRANSIENT);
}

// Makes "name" in double quotes the name of a column and nothing else: SQLite would take a misspelled one for text.
static inline int csqlite_refuse_double_quoted_text(sqlite3 *connection) {
  int code = sqlite3_db_config(connection, SQLITE_DBCONFIG_DQS_DDL, 0, (int *)0);
  return code != SQLITE_OK ? code : sqlite3_db_config(connection, SQLITE_DBCONFIG_DQS_DML, 0, (int *)0);
}

#endif
