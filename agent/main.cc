// SPDX-License-Identifier: Apache-2.0
#include "agent/app/app.h"

int main(int argc, char** argv) { return agent::app::Main(argc, argv); }
