/* os.h - what is asked of the system. */
#ifndef WC_BASE_OS_H
#define WC_BASE_OS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

double wc_seconds(void); /* monotonic clock */
/* Physical cores among those this process may run on (affinity), at most the cgroup's CPU quota (v1 or v2) rounded down,
 * at least 1.  *reason, when not NULL: a static text such as "cgroup quota". */
int wc_default_threads(const char **reason);
int wc_physical_cores(void);
uint64_t wc_memory_total(void); /* bytes of the machine, or the cgroup's limit when that is lower */
uint64_t wc_memory_available(void);
uint64_t wc_peak_resident(void); /* of this process, bytes */
uint64_t wc_random_seed(void);   /* from the system, never 0 */
#endif
