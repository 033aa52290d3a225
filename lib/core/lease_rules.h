// What a node brings to the contest for the lease: what it remembers of it, and by which rules it plays.
#pragma once

#include <cstdint>
#include <string>

namespace stargazer {

// What a node knows of the lease from before, its own start before included. Kept in the state directory.
struct LeaseMemory {
  std::uint64_t epoch = 0;  // the highest ever seen
  std::string server;       // LeaseFacts::server when it was last seen; "" = never

  bool operator==(const LeaseMemory&) const = default;
};

// Rules of LEASE.md section 3.6, each of which can be switched off. For the simulator alone, which shows that it then
// finds what the rule prevents (the fuse and the comparison of epochs are switched off in its fakes); no configuration
// reaches them, and the daemon leaves them all on.
struct LeaseRules {
  bool count_from_sending = true;         // 4: deadlines count from the sending of the request, not from its answer
  bool self_fence = true;                 // 4: TERM at the soft stop, KILL at the hard kill
  bool epochs_outlive_the_store = true;   // 3: a new epoch is above all that the node has ever seen
  bool hold_off_at_first_contact = true;  // 6
  bool hold_off_at_data_loss = true;      // 6: another server, or an epoch that fell
  bool outwait_last_grant = true;         // 6: a key that is gone is no proof that its term has ended
  bool count_grants = true;               // 6: a grant that came and vanished between two looks shows in the count
  bool recreate = true;                   // 7
  bool recognise_own_grant = true;        // 8
  bool reap_before_release = true;        // 10
};

}  // namespace stargazer
