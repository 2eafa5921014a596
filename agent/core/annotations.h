// SPDX-License-Identifier: Apache-2.0
// Attributes that clang checks and g++ ignores: lifetimes and locks.
#pragma once

#if defined(__clang__)
#define LIFETIME_BOUND [[clang::lifetimebound]]
#define AGENT_TSA(x) __attribute__((x))
#else
#define LIFETIME_BOUND
#define AGENT_TSA(x)
#endif

#define AGENT_CAPABILITY(name) AGENT_TSA(capability(name))
#define AGENT_SCOPED_CAPABILITY AGENT_TSA(scoped_lockable)
#define AGENT_GUARDED_BY(x) AGENT_TSA(guarded_by(x))
#define AGENT_REQUIRES(...) AGENT_TSA(requires_capability(__VA_ARGS__))
#define AGENT_ACQUIRE(...) AGENT_TSA(acquire_capability(__VA_ARGS__))
#define AGENT_RELEASE(...) AGENT_TSA(release_capability(__VA_ARGS__))
#define AGENT_TRY_ACQUIRE(...) AGENT_TSA(try_acquire_capability(__VA_ARGS__))
#define AGENT_EXCLUDES(...) AGENT_TSA(locks_excluded(__VA_ARGS__))
#define AGENT_ASSERT_CAPABILITY(x) AGENT_TSA(assert_capability(x))
