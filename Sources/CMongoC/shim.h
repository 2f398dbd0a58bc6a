#ifndef SESSION_FCGI_CMONGOC_SHIM_H
#define SESSION_FCGI_CMONGOC_SHIM_H

#include <mongoc/mongoc.h>

/*
 * Debian's bson_t is aligned to 128 bytes, more than Swift can give, so every bson_t lives on C's stack, in
 * here. Swift hands over the bytes of a command and takes the bytes of the reply.
 *
 * The reply must not come from bson_new: libmongoc initializes it anew and thereby marks it as one that
 * bson_destroy does not free.
 */

/* bson_error_t.message is a 504-element tuple in Swift. */
static inline const char *cmongoc_error_message(const bson_error_t *error) {
    return error->message;
}

/*
 * Runs a command that is retried once, by the driver's rules for reads or for writes. Returns the reply, which
 * the caller frees with bson_free, and its length. *succeeded says whether the server took the command.
 */
static inline uint8_t *cmongoc_command(
    mongoc_client_t *client, const char *database, const uint8_t *command, size_t command_length, bool is_write,
    bool waits_for_journal, bool waits_for_majority, const char *read_concern, uint32_t *reply_length, bool *succeeded, bson_error_t *error) {
    bson_t request;
    bson_t reply;
    *reply_length = 0;
    *succeeded = false;
    if (!bson_init_static(&request, command, command_length)) {
        bson_set_error(error, MONGOC_ERROR_BSON, MONGOC_ERROR_BSON_INVALID, "The command is not BSON.");
        return NULL;
    }
    if (is_write) {
        bson_t options = BSON_INITIALIZER;
        bson_t concern;
        if (waits_for_journal || waits_for_majority) {
            BSON_APPEND_DOCUMENT_BEGIN(&options, "writeConcern", &concern);
            if (waits_for_journal) BSON_APPEND_BOOL(&concern, "j", true);
            if (waits_for_majority) BSON_APPEND_UTF8(&concern, "w", "majority");
            bson_append_document_end(&options, &concern);
        }
        *succeeded = mongoc_client_write_command_with_opts(client, database, &request, &options, &reply, error);
        bson_destroy(&options);
    } else {
        bson_t options = BSON_INITIALIZER;
        bson_t concern;
        if (read_concern) {
            BSON_APPEND_DOCUMENT_BEGIN(&options, "readConcern", &concern);
            BSON_APPEND_UTF8(&concern, "level", read_concern);
            bson_append_document_end(&options, &concern);
        }
        *succeeded = mongoc_client_read_command_with_opts(client, database, &request, NULL, &options, &reply, error);
        bson_destroy(&options);
    }
    return bson_destroy_with_steal(&reply, true, reply_length);
}

#endif
