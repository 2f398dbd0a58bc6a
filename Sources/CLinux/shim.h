#ifndef SESSION_FCGI_CLINUX_SHIM_H
#define SESSION_FCGI_CLINUX_SHIM_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
/* Swift's Glibc module leaves these out. */
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* Glibc declares these only under _GNU_SOURCE, which Swift's Glibc module does not define. */
extern int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
extern int pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock, const struct timespec *deadline);

static inline int clinux_accept(int listener) {
    return accept4(listener, 0, 0, SOCK_CLOEXEC);
}

static inline void clinux_ignore_signal(int signal) { (void)signal; }

/*
 * flock(2) with LOCK_EX and an end: 0, or an error number; ETIMEDOUT when the time was over. The kernel knows no such
 * call, so that a timer interrupts this thread's, by a signal that is let through meanwhile. It does so again and again,
 * since the first could come before the call.
 */
static inline int clinux_flock_until(int fd, const struct timespec *deadline) {
    struct sigaction action;
    struct sigevent event;
    struct itimerspec times = {.it_interval = {.tv_sec = 0, .tv_nsec = 10000000}, .it_value = *deadline};
    sigset_t signals, before;
    timer_t timer;
    int error = 0;
    memset(&action, 0, sizeof action);
    action.sa_handler = clinux_ignore_signal;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGUSR1;
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    sigaction(SIGUSR1, &action, 0);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return errno;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &signals, &before);
    timer_settime(timer, TIMER_ABSTIME, &times, 0);
    while (flock(fd, LOCK_EX) != 0) {
        struct timespec now;
        error = errno;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (error != EINTR) break;
        error = ETIMEDOUT;
        if (now.tv_sec > deadline->tv_sec || (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec)) break;
        error = 0;
    }
    timer_delete(timer);
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return error;
}

/* The kind of file system that a descriptor is on (statfs(2)). */
static inline long clinux_file_system(int fd) {
    struct statfs status;
    return fstatfs(fd, &status) == 0 ? (long)status.f_type : 0;
}

/* Numbers that processes share. */
static inline long clinux_load(const long *number) { return __atomic_load_n(number, __ATOMIC_ACQUIRE); }
static inline void clinux_store(long *number, long value) { __atomic_store_n(number, value, __ATOMIC_RELEASE); }

#endif
