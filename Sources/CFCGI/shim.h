#ifndef SESSION_FCGI_CFCGI_SHIM_H
#define SESSION_FCGI_CFCGI_SHIM_H

#include <fcgiapp.h>
/* The protocol's numbers, of which fcgiapp.h has none. */
#include <fastcgi.h>

/* Lending libfcgi a connection that we accepted ourselves needs two fields which its header calls
   private. They have been where they are from 2.4.2 to 2.4.7; any other layout must not compile. */
#if defined(__LP64__)
_Static_assert(sizeof(FCGX_Request) == 80, "FCGX_Request has another layout than libfcgi 2.4.2 to 2.4.7");
#endif

/* The next FCGX_Accept_r reads its request from `fd` instead of accepting a connection. */
static inline void cfcgi_lend_connection(FCGX_Request *request, int fd) {
    request->ipcFd = fd;
    request->keepConnection = 1;
}

/* Takes the connection back after FCGX_Finish_r; -1 when libfcgi has closed it. */
static inline int cfcgi_take_connection(FCGX_Request *request) {
    int fd = request->ipcFd;
    request->ipcFd = -1;
    return fd;
}

#endif
