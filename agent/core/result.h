// SPDX-License-Identifier: Apache-2.0
// Expected failures as values. `Result<T>` is a value or an `Error`; ignoring one
// is a compiler warning. An Error's code says what the caller does next, not where
// it came from; its text is one sentence a person can act on.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace agent {

enum class Code {
  kRetry,            // try the same thing again later
  kDropPermanently,  // the other side has refused this for good
  kNotFound,         // the thing named does not exist (yet)
  kCorrupt,          // bytes from outside are not what they should be
  kLimit,            // a limit of ours or of the system was reached
  kCancelled,        // we are shutting down
  kConfig,           // a person must change the configuration
  kPermission,       // the system forbids it
  kIo,               // any other failure of the operating system
  kInternal,         // a broken assumption of ours
};

struct Error {
  Code code = Code::kInternal;
  std::string what;
  int sys_errno = 0;  // where the operating system said so, else 0
};

template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

using Status = Result<void>;

inline std::unexpected<Error> Fail(Code code, std::string what, int sys_errno = 0) {
  return std::unexpected<Error>(Error{code, std::move(what), sys_errno});
}

// Hands the error of a failed result on as the error of another type.
template <class T>
std::unexpected<Error> Forward(Result<T>& failed) {
  return std::unexpected<Error>(std::move(failed.error()));
}

}  // namespace agent
