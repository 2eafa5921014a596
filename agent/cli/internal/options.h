// SPDX-License-Identifier: Apache-2.0
// The flags of each subcommand. Plain data.
#pragma once

#include <string>
#include <vector>

#include "agent/config/flags.h"

namespace agent::cli {

struct RemoteOptions {
  std::string address = "127.0.0.1:9080";
  std::string output = "text";

  void Declare(config::FlagSet& flags) {
    flags.String("addr", address, "HOST:PORT of the running agent");
    flags.String("output", output, "text or json");
  }
};

struct TailOptions : RemoteOptions {
  std::string pod;
  std::string text;
  std::string grep;
  std::vector<std::string> labels;
  int64_t lines = 0;

  void Declare(config::FlagSet& flags) {
    RemoteOptions::Declare(flags);
    flags.String("pod", pod, "only this pod: NAMESPACE/POD or POD");
    flags.TextList("label", labels, "only lines with this label: NAME=VALUE; may be given often");
    flags.String("text", text, "only lines that contain this, in any case");
    flags.String("grep", grep, "only lines that match this regular expression");
    flags.Int("lines", lines, "end after so many lines; 0: never");
  }
};

struct ConfigOptions {
  std::string config_file;
  bool expand_env = false;

  void Declare(config::FlagSet& flags) {
    flags.String("config.file", config_file, "the configuration");
    flags.Bool("config.expand-env", expand_env, "replace ${VAR} in it by the environment");
  }
};

struct TestOptions {
  bool update = false;
  bool expand_env = false;

  void Declare(config::FlagSet& flags) {
    flags.Bool("update", update, "write what came out into the files as what is expected");
    flags.Bool("config.expand-env", expand_env, "replace ${VAR} in configurations by the environment");
  }
};

struct CheckOptions : ConfigOptions {
  bool strict = false;
  std::string output = "text";

  void Declare(config::FlagSet& flags) {
    ConfigOptions::Declare(flags);
    flags.Bool("strict", strict, "warnings are errors");
    flags.String("output", output, "text or json");
  }
};

struct ReplayOptions : ConfigOptions {
  std::string from;
  std::string diff;
  std::string output = "text";
  std::string node_name;

  void Declare(config::FlagSet& flags) {
    ConfigOptions::Declare(flags);
    flags.String("from-node-files", from, "a copy of a node's /var/log/pods, or any folder of logs");
    flags.String("diff", diff, "another configuration: what it does differently");
    flags.String("node-name", node_name, "the label node_name");
    flags.String("output", output, "text or json");
  }
};

}  // namespace agent::cli
