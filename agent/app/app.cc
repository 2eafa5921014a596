// SPDX-License-Identifier: Apache-2.0
#include "agent/app/app.h"

namespace agent::app {

int Main(int, char**) { return 0; }

}  // namespace agent::app
