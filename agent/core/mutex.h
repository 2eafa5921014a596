// SPDX-License-Identifier: Apache-2.0
// std::mutex with the annotations that let clang check who holds it.
#pragma once

#include <mutex>

#include "agent/core/annotations.h"

namespace agent {

class AGENT_CAPABILITY("mutex") Mutex {
 public:
  void Lock() AGENT_ACQUIRE() { mutex_.lock(); }
  void Unlock() AGENT_RELEASE() { mutex_.unlock(); }
  // For std::condition_variable_any only.
  void lock() AGENT_ACQUIRE() { mutex_.lock(); }
  void unlock() AGENT_RELEASE() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class AGENT_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) AGENT_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() AGENT_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace agent
