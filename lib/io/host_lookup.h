// Looks a host name up without holding up the caller: getaddrinfo cannot be given a deadline, and a resolver that does
// not answer holds it for 10 seconds and more.
#pragma once

#include <memory>
#include <netdb.h>
#include <string>

#include "core/result.h"

namespace stargazer {

class HostLookup {
 public:
  // Starts a thread that ends with the lookup, even when this object is gone by then.
  HostLookup(const std::string& host, int port);

  // Readable once the lookup is done. -1 when it could not be started.
  int fd() const;

  // Null while the lookup runs; otherwise the addresses, never empty, owned by this object. Fails when the name has
  // none, or when the lookup could not be started.
  Result<const addrinfo*> addresses() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace stargazer
