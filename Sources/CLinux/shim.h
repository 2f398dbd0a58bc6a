#ifndef SESSION_FCGI_CLINUX_SHIM_H
#define SESSION_FCGI_CLINUX_SHIM_H

#include <pthread.h>
#include <sys/socket.h>
/* Swift's Glibc module leaves these out. */
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* Glibc declares these only under _GNU_SOURCE, which Swift's Glibc module does not define. */
extern int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
extern int pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock, const struct timespec *deadline);

static inline int clinux_accept(int listener) {
    return accept4(listener, 0, 0, SOCK_CLOEXEC);
}

#endif
