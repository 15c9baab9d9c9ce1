/* Kills its own process in the middle of what that process does to the disk, before a call of the C library is carried out.
 *
 * Loaded with LD_PRELOAD. FAULT_PLAN names a file; once that exists, its line "CALL COUNT PART" is taken and the file removed:
 * the COUNT-th CALL from then on whose path contains PART is not carried out, and the process dies instead. CALL is one of
 * rename, fsync, fdatasync, unlink, rmdir and write.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char wanted[16], part[256];
static int left;

/* System calls as such: the functions of the C library are those that this file replaces. */
static void take_plan(void)
{
    char line[300] = "";
    const char *plan = getenv("FAULT_PLAN");
    int file = plan == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, plan, O_RDONLY);
    if (file < 0)
        return;
    if (syscall(SYS_read, file, line, sizeof line - 1) > 0 && sscanf(line, "%15s %d %255s", wanted, &left, part) == 3)
        syscall(SYS_unlinkat, AT_FDCWD, plan, 0);
    syscall(SYS_close, file);
}

static void before(const char *call, const char *path)
{
    pthread_mutex_lock(&lock);
    if (left == 0)
        take_plan();
    if (left > 0 && strcmp(call, wanted) == 0 && strstr(path, part) != NULL && --left == 0) {
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
    pthread_mutex_unlock(&lock);
}

static void before_on(const char *call, int file)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    before(call, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* An engine that looks for functions in the C library first would pass these by. */
void *dlopen(const char *file, int mode)
{
    return NEXT(dlopen)(file, mode & ~RTLD_DEEPBIND);
}

int rename(const char *from, const char *to)
{
    before("rename", from);
    return NEXT(rename)(from, to);
}

int unlink(const char *path)
{
    before("unlink", path);
    return NEXT(unlink)(path);
}

int rmdir(const char *path)
{
    before("rmdir", path);
    return NEXT(rmdir)(path);
}

int fsync(int file)
{
    before_on("fsync", file);
    return NEXT(fsync)(file);
}

int fdatasync(int file)
{
    before_on("fdatasync", file);
    return NEXT(fdatasync)(file);
}

ssize_t write(int file, const void *data, size_t size)
{
    if (getenv("FAULT_WRITES") != NULL)
        before_on("write", file);
    return NEXT(write)(file, data, size);
}
