/* os_posix.c - Linux first (sysfs, procfs, cgroups); other POSIX systems get the portable answers. */
#include "base/os.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

double wc_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The first line of a small file of the system; false when there is none. */
static bool read_line(const char *path, char *line, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, line, room - 1);
    close(fd);
    if (n <= 0)
        return false;
    line[n] = '\0';
    line[strcspn(line, "\n")] = '\0';
    return true;
}

/* This process's cgroup folder under a v1 controller or v2 (""), in path [room]. */
static bool cgroup_path(const char *controller, char *path, size_t room)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[1024];
    bool found = false;
    while (f && !found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *names = strchr(line, ':'), *dir = names ? strchr(names + 1, ':') : NULL;
        if (!dir)
            continue;
        *dir++ = '\0';
        names++;
        if (*controller ? strstr(names, controller) != NULL : *names == '\0')
            found = (size_t)snprintf(path, room, "%s", dir) < room;
    }
    if (f)
        fclose(f);
    return found;
}

/* CPUs that the quota of this process's cgroup or one above it allows; 0: no quota. */
static double cgroup_cpus(void)
{
    char dir[900], path[1024], line[128];
    double least = 0;
    for (int v2 = 1; v2 >= 0; v2--) {
        if (!cgroup_path(v2 ? "" : "cpu", dir, sizeof dir))
            continue;
        for (;;) { /* up to the root */
            double quota = 0, period = 0;
            snprintf(path, sizeof path,
                     v2 ? "/sys/fs/cgroup%s/cpu.max" : "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", dir);
            if (read_line(path, line, sizeof line)) {
                if (v2) {
                    if (sscanf(line, "%lf %lf", &quota, &period) != 2)
                        quota = 0;
                } else {
                    quota = atof(line);
                    snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", dir);
                    period = read_line(path, line, sizeof line) ? atof(line) : 0;
                }
            }
            if (quota > 0 && period > 0 && (least == 0 || quota / period < least))
                least = quota / period;
            char *slash = strrchr(dir, '/');
            if (!slash || dir[0] == '\0' || strcmp(dir, "/") == 0)
                break;
            *slash = '\0';
        }
    }
    return least;
}

#ifdef __linux__
/* Physical cores among the CPUs of set: a CPU counts when no lower CPU of the set shares its core. */
static int cores_in(const cpu_set_t *set)
{
    int cores = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, set))
            continue;
        char path[128], line[256];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        bool first = true;
        if (read_line(path, line, sizeof line))
            for (char *p = line; *p;) {
                long low = strtol(p, &p, 10), high = low;
                if (*p == '-')
                    high = strtol(p + 1, &p, 10);
                for (long i = low; i <= high && i < cpu; i++)
                    if (i >= 0 && i < CPU_SETSIZE && CPU_ISSET((int)i, set))
                        first = false;
                if (*p != ',')
                    break;
                p++;
            }
        cores += first;
    }
    return cores > 0 ? cores : 1;
}
#endif

int wc_physical_cores(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return cores_in(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

int wc_default_threads(const char **reason)
{
    int n = wc_physical_cores();
    const char *why = "physical cores";
    double quota = cgroup_cpus();
    if (quota > 0 && quota < n) {
        n = quota < 1 ? 1 : (int)quota;
        why = "cgroup quota";
    }
    if (reason)
        *reason = why;
    return n;
}

uint64_t wc_memory_total(void)
{
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    char dir[900], path[1024], line[64];
    if (cgroup_path("", dir, sizeof dir)) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", dir);
        if (read_line(path, line, sizeof line) && line[0] >= '0' && line[0] <= '9') {
            uint64_t limit = strtoull(line, NULL, 10);
            if (limit > 0 && limit < bytes)
                bytes = limit;
        }
    }
    return bytes;
}

uint64_t wc_memory_available(void)
{
    FILE *f = fopen("/proc/meminfo", "re");
    char line[256];
    unsigned long long kib = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib ? kib * 1024 : wc_memory_total();
}

uint64_t wc_peak_resident(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

uint64_t wc_random_seed(void)
{
    uint64_t seed = 0;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, &seed, sizeof seed) != (ssize_t)sizeof seed)
            seed = 0;
        close(fd);
    }
    return seed ? seed : (uint64_t)time(NULL) * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)getpid();
}
