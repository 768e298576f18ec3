/* A disk that lacks something: preloaded, it makes system calls on the files below a path fail as on network shares. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The error that a call shall give, DISK_<call>=<number>, for paths that begin with DISK_PREFIX or are DISK_PATH. */
static int error_of(const char *call, const char *path) {
    const char *prefix = getenv("DISK_PREFIX"), *exact = getenv("DISK_PATH"), *number;
    char name[32];
    snprintf(name, sizeof name, "DISK_%s", call);
    number = getenv(name);
    if (!number || !path) return 0;
    if (prefix && strncmp(path, prefix, strlen(prefix)) == 0) return atoi(number);
    return exact && strcmp(path, exact) == 0 ? atoi(number) : 0;
}

static const char *path_of(int fd, char *buffer) {
    char link[32];
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, buffer, PATH_MAX - 1);
    if (length < 0) return NULL;
    buffer[length] = 0;
    return buffer;
}

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))
#define FAIL(value) do { int e = (value); if (e) { errno = e; return -1; } } while (0)

static int sync_error(int fd) {
    char buffer[PATH_MAX];
    struct stat status;
    const char *path = path_of(fd, buffer);
    if (fstat(fd, &status)) return 0;
    return error_of(S_ISDIR(status.st_mode) ? "FSYNC_FOLDER" : "FSYNC_FILE", path);
}

int fsync(int fd) {
    FAIL(sync_error(fd));
    return NEXT(int (*)(int), "fsync")(fd);
}

int fdatasync(int fd) {
    FAIL(sync_error(fd));
    return NEXT(int (*)(int), "fdatasync")(fd);
}

int flock(int fd, int operation) {
    char buffer[PATH_MAX];
    FAIL(error_of("FLOCK", path_of(fd, buffer)));
    return NEXT(int (*)(int, int), "flock")(fd, operation);
}

int symlink(const char *target, const char *path) {
    FAIL(error_of("SYMLINK", path));
    return NEXT(int (*)(const char *, const char *), "symlink")(target, path);
}

int renameat2(int from, const char *one, int to, const char *other, unsigned int flags) {
    FAIL(error_of("EXCHANGE", other));
    return NEXT(int (*)(int, const char *, int, const char *, unsigned int), "renameat2")(from, one, to, other, flags);
}

static int locking(const char *name, int fd, int command, void *argument) {
    char buffer[PATH_MAX];
    if (command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK)
        FAIL(error_of("FCNTL", path_of(fd, buffer)));
    return NEXT(int (*)(int, int, ...), name)(fd, command, argument);
}

int fcntl(int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return locking("fcntl", fd, command, argument);
}

int fcntl64(int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return locking("fcntl64", fd, command, argument);
}

static void *mapping(const char *name, void *at, size_t length, int rights, int flags, int fd, off_t offset) {
    char buffer[PATH_MAX];
    int e = fd >= 0 && (flags & MAP_SHARED) ? error_of("MMAP", path_of(fd, buffer)) : 0;
    if (e) { errno = e; return MAP_FAILED; }
    return NEXT(void *(*)(void *, size_t, int, int, int, off_t), name)(at, length, rights, flags, fd, offset);
}

void *mmap(void *at, size_t length, int rights, int flags, int fd, off_t offset) {
    return mapping("mmap", at, length, rights, flags, fd, offset);
}

void *mmap64(void *at, size_t length, int rights, int flags, int fd, off_t offset) {
    return mapping("mmap64", at, length, rights, flags, fd, offset);
}
