// stargazer-keeper limited [cgroup=DIR] [nice=N] [data=BYTES] -- PROGRAM ARGV0 [ARGUMENT…]
//
// becomes PROGRAM, within limits that are there before its first instruction: in the control group DIR, N nicer than
// whoever started it, with at most BYTES of private memory in each process (RLIMIT_DATA). See io/keeper_protocol.h for
// the descriptors.
#pragma once

namespace stargazer::keeper {

// "limited" is argv[1]. Returns only when that cannot be done: kNotStartedCode after one line about it, or EX_USAGE.
int run_limited(int argc, char** argv);

}  // namespace stargazer::keeper
