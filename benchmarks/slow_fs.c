/* Slow file system: passes every call on to a folder, and lets each wait before it does.
 *
 *     slow_fs FOLDER MICROSECONDS MOUNT_POINT
 *
 * Calls that come at the same time wait at the same time, as those to a distant server do. Built on FUSE 3.
 */
#define FUSE_USE_VERSION 312
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/fuse.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int root; /* the folder behind it; all paths are relative to it */
static struct timespec latency;
enum { AT_ONCE = 256 }; /* more calls than any program here has under way */

static const char *beneath(const char *path) { return path[1] ? path + 1 : "."; }
static const char *late(const char *path) { nanosleep(&latency, NULL); return path ? beneath(path) : NULL; }
static int answer(int result) { return result < 0 ? -errno : 0; }

static void *start(struct fuse_conn_info *connection, struct fuse_config *config) {
    connection->max_background = AT_ONCE;
    connection->congestion_threshold = AT_ONCE;
    config->use_ino = 1; /* two names of a file have one number */
    config->nullpath_ok = 1;
    config->hard_remove = 1;
    return NULL;
}
static int f_getattr(const char *path, struct stat *found, struct fuse_file_info *file) {
    path = late(path);
    return answer(file && !path ? fstat(file->fh, found) : fstatat(root, path, found, AT_SYMLINK_NOFOLLOW));
}
static int f_readlink(const char *path, char *target, size_t size) {
    ssize_t length = readlinkat(root, late(path), target, size - 1);
    if (length < 0) return -errno;
    target[length] = 0;
    return 0;
}
static int opened(int fd, struct fuse_file_info *file) {
    file->fh = fd;
    return fd < 0 ? -errno : 0;
}
static int f_open(const char *path, struct fuse_file_info *file) {
    return opened(openat(root, late(path), file->flags & ~O_NOFOLLOW), file);
}
static int f_create(const char *path, mode_t mode, struct fuse_file_info *file) {
    return opened(openat(root, late(path), file->flags, mode), file);
}
static int f_release(const char *path, struct fuse_file_info *file) { (void)path; return answer(close(file->fh)); }
static int f_read(const char *path, char *data, size_t size, off_t from, struct fuse_file_info *file) {
    late(path);
    ssize_t count = pread(file->fh, data, size, from);
    return count < 0 ? -errno : (int)count;
}
static int f_write(const char *path, const char *data, size_t size, off_t from, struct fuse_file_info *file) {
    late(path);
    ssize_t count = pwrite(file->fh, data, size, from);
    return count < 0 ? -errno : (int)count;
}
static int f_opendir(const char *path, struct fuse_file_info *file) {
    return opened(openat(root, late(path), O_RDONLY | O_DIRECTORY), file);
}
static int f_readdir(const char *path, void *list, fuse_fill_dir_t add, off_t from, struct fuse_file_info *file,
                     enum fuse_readdir_flags flags) {
    (void)from, (void)flags;
    late(path);
    DIR *folder = fdopendir(dup(file->fh));
    if (!folder) return -errno;
    rewinddir(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat kind = {.st_ino = entry->d_ino, .st_mode = (mode_t)entry->d_type << 12};
        add(list, entry->d_name, &kind, 0, 0);
    }
    return answer(closedir(folder));
}
static int f_mkdir(const char *path, mode_t mode) { return answer(mkdirat(root, late(path), mode)); }
static int f_unlink(const char *path) { return answer(unlinkat(root, late(path), 0)); }
static int f_rmdir(const char *path) { return answer(unlinkat(root, late(path), AT_REMOVEDIR)); }
static int f_symlink(const char *target, const char *path) { return answer(symlinkat(target, root, late(path))); }
static int f_rename(const char *old, const char *new, unsigned flags) {
    return answer(renameat2(root, late(old), root, beneath(new), flags));
}
static int f_link(const char *old, const char *new) { return answer(linkat(root, late(old), root, beneath(new), 0)); }
static int f_chmod(const char *path, mode_t mode, struct fuse_file_info *file) {
    path = late(path);
    return answer(file && !path ? fchmod(file->fh, mode) : fchmodat(root, path, mode, 0));
}
static int f_chown(const char *path, uid_t user, gid_t group, struct fuse_file_info *file) {
    path = late(path);
    return answer(file && !path ? fchown(file->fh, user, group)
                                : fchownat(root, path, user, group, AT_SYMLINK_NOFOLLOW));
}
static int f_truncate(const char *path, off_t size, struct fuse_file_info *file) {
    path = late(path);
    int fd = file ? (int)file->fh : openat(root, path, O_WRONLY);
    int result = answer(ftruncate(fd, size));
    if (!file && fd >= 0) close(fd);
    return result;
}
static int f_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *file) {
    path = late(path);
    return answer(file && !path ? futimens(file->fh, times) : utimensat(root, path, times, AT_SYMLINK_NOFOLLOW));
}
static int f_fsync(const char *path, int is_data, struct fuse_file_info *file) {
    late(path);
    return answer(is_data ? fdatasync(file->fh) : fsync(file->fh));
}
static int f_statfs(const char *path, struct statvfs *found) { late(path); return answer(fstatvfs(root, found)); }

static const struct fuse_operations operations = {
    .init = start, .getattr = f_getattr, .readlink = f_readlink, .open = f_open, .create = f_create,
    .opendir = f_opendir, .releasedir = f_release, .release = f_release, .read = f_read, .write = f_write, .readdir = f_readdir, .mkdir = f_mkdir,
    .unlink = f_unlink, .rmdir = f_rmdir, .symlink = f_symlink, .rename = f_rename, .link = f_link,
    .chmod = f_chmod, .chown = f_chown, .truncate = f_truncate, .utimens = f_utimens, .fsync = f_fsync,
    .statfs = f_statfs,
};

/* Sends the answers of the library, and lets the first one ask for lookups in one folder at the same time: libfuse
 * 3.14.0 has FUSE_CAP_PARALLEL_DIROPS on by default and does not tell the kernel. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    static int is_asked;
    if (!is_asked && count == 2 && parts[1].iov_len >= 24) {
        is_asked = 1;
        ((struct fuse_init_out *)parts[1].iov_base)->flags |= FUSE_PARALLEL_DIROPS;
    }
    return syscall(SYS_writev, fd, parts, count);
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    root = open(arguments[1], O_PATH | O_DIRECTORY);
    if (root < 0) { perror(arguments[1]); return 1; }
    latency.tv_nsec = atol(arguments[2]) * 1000;
    prctl(PR_SET_TIMERSLACK, 1); /* else the kernel lets each wait 0.05 ms longer */
    umask(0);
    struct fuse_args none = FUSE_ARGS_INIT(1, arguments);
    struct fuse *fuse = fuse_new(&none, &operations, sizeof operations, NULL);
    if (!fuse || fuse_mount(fuse, arguments[3])) return 1;
    if (fuse_daemonize(0)) return 1; /* when it returns, the mount answers */
    fuse_set_signal_handlers(fuse_get_session(fuse));
    struct fuse_loop_config *loop = fuse_loop_cfg_create();
    fuse_loop_cfg_set_max_threads(loop, AT_ONCE);
    fuse_loop_cfg_set_idle_threads(loop, AT_ONCE);
    int result = fuse_loop_mt(fuse, loop);
    fuse_unmount(fuse);
    return result != 0;
}
