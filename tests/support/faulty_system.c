/* Lets some system calls fail, as a disk with a fault or a file system without locks does.
   FAULTY_INODE: the number of an inode that cannot be opened (EIO).
   FAULTY_PATH: a part of the paths that cannot be opened (EIO).
   NO_FLOCK: whether there is no flock (ENOSYS). */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_faulty_path(const char *path) {
    const char *part = getenv("FAULTY_PATH");
    return part != NULL && strstr(path, part) != NULL;
}

static int is_faulty(int file) {
    const char *inode = getenv("FAULTY_INODE");
    struct stat found;
    return inode != NULL && fstat(file, &found) == 0 && found.st_ino == strtoull(inode, NULL, 10);
}

static int checked(int file) {
    if (file >= 0 && is_faulty(file)) {
        close(file);
        errno = EIO;
        return -1;
    }
    return file;
}

#define MODE(flags)                                                                               \
    mode_t mode = 0;                                                                              \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                        \
        va_list rest;                                                                             \
        va_start(rest, flags);                                                                    \
        mode = va_arg(rest, mode_t);                                                              \
        va_end(rest);                                                                             \
    }

#define OPEN(name)                                                                                \
    int name(const char *path, int flags, ...) {                                                  \
        static int (*real)(const char *, int, ...);                                               \
        if (real == NULL) real = dlsym(RTLD_NEXT, #name);                                         \
        MODE(flags)                                                                               \
        if (is_faulty_path(path)) {                                                               \
            errno = EIO;                                                                          \
            return -1;                                                                            \
        }                                                                                         \
        return checked(real(path, flags, mode));                                                  \
    }

#define OPENAT(name)                                                                              \
    int name(int folder, const char *path, int flags, ...) {                                      \
        static int (*real)(int, const char *, int, ...);                                          \
        if (real == NULL) real = dlsym(RTLD_NEXT, #name);                                         \
        MODE(flags)                                                                               \
        return checked(real(folder, path, flags, mode));                                          \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

DIR *opendir(const char *path) {
    static DIR *(*real)(const char *);
    if (real == NULL) real = dlsym(RTLD_NEXT, "opendir");
    DIR *folder = real(path);
    if (folder != NULL && is_faulty(dirfd(folder))) {
        closedir(folder);
        errno = EIO;
        return NULL;
    }
    return folder;
}

int flock(int file, int operation) {
    static int (*real)(int, int);
    if (real == NULL) real = dlsym(RTLD_NEXT, "flock");
    if (getenv("NO_FLOCK") != NULL) {
        errno = ENOSYS;
        return -1;
    }
    return real(file, operation);
}
