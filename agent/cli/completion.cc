// SPDX-License-Identifier: Apache-2.0
// Completions for bash, zsh and fish, written from the flags themselves.
#include <fmt/format.h>

#include "agent/app/command_line.h"
#include "agent/cli/cli.h"
#include "agent/cli/internal/commands.h"

namespace agent::cli {
namespace {

using Descriptions = std::vector<config::FlagSet::Description>;

Descriptions FlagsOf(const Command& command) {
  config::FlagSet flags(command.name);
  if (command.declare != nullptr) command.declare(flags);
  return flags.Describe();
}

// Names with the dashes that people type; a flag that wants a value ends in "=".
std::string Word(const config::FlagSet::Description& flag) {
  return "--" + flag.name + (flag.kind == config::FlagSet::Kind::kBool ? "" : "=");
}

std::string Joined(const Descriptions& flags) {
  std::string out;
  for (const auto& flag : flags) out += (out.empty() ? "" : " ") + Word(flag);
  return out;
}

// Single quotes for a shell.
std::string QuotedWord(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string Names() {
  std::string out;
  for (const Command& command : Commands()) out += (out.empty() ? "" : " ") + std::string(command.name);
  return out;
}

std::string Bash(const Descriptions& daemon) {
  std::string out = "# bash completion of agent; written by `agent completion bash`\n_agent() {\n"
                    "  local word=${COMP_WORDS[COMP_CWORD]} flags\n"
                    "  case ${COMP_WORDS[1]} in\n";
  for (const Command& command : Commands()) out += fmt::format("    {}) flags={} ;;\n", command.name, QuotedWord(Joined(FlagsOf(command))));
  out += fmt::format("    *) flags={} ;;\n  esac\n", QuotedWord(Joined(daemon)));
  out += "  if [[ $COMP_CWORD -eq 1 && $word != -* ]]; then\n";
  out += fmt::format("    COMPREPLY=($(compgen -W {} -- \"$word\"))\n", QuotedWord(Names()));
  out += "  elif [[ ${COMP_WORDS[1]} == completion ]]; then\n    COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\"))\n"
         "  elif [[ $word == -* ]]; then\n    COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n"
         "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
         "  else\n    COMPREPLY=($(compgen -f -- \"$word\"))\n  fi\n}\ncomplete -F _agent agent\n";
  return out;
}

// One entry of zsh's _arguments.
std::string ZshFlag(const config::FlagSet::Description& flag) {
  std::string help;
  for (const char c : flag.help) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') help += '\\';
    help += c;
  }
  const bool boolean = flag.kind == config::FlagSet::Kind::kBool;
  const std::string value = boolean ? "" : ":value:" + std::string(flag.name.ends_with("file") ? "_files" : "");
  return QuotedWord("--" + flag.name + (boolean ? "" : "=") + "[" + help + "]" + value);
}

std::string Zsh(const Descriptions& daemon) {
  std::string out = "#compdef agent\n# zsh completion of agent; written by `agent completion zsh`\n_agent() {\n"
                    "  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n    local -a commands=(\n";
  for (const Command& command : Commands()) out += "      " + QuotedWord(std::string(command.name) + ":" + command.what) + "\n";
  out += "    )\n    _describe command commands\n    return\n  fi\n  case $words[2] in\n";
  for (const Command& command : Commands()) {
    out += fmt::format("    {}) _arguments", command.name);
    for (const auto& flag : FlagsOf(command)) out += " " + ZshFlag(flag);
    out += " '*:file:_files' ;;\n";
  }
  out += "    *) _arguments";
  for (const auto& flag : daemon) out += " " + ZshFlag(flag);
  return out + " '*:file:_files' ;;\n  esac\n}\n_agent \"$@\"\n";
}

std::string Fish(const Descriptions& daemon) {
  std::string out = "# fish completion of agent; written by `agent completion fish`\n";
  for (const Command& command : Commands()) {
    out += fmt::format("complete -c agent -n __fish_use_subcommand -f -a {} -d {}\n", command.name, QuotedWord(command.what));
    for (const auto& flag : FlagsOf(command)) {
      out += fmt::format("complete -c agent -n '__fish_seen_subcommand_from {}' -l {}{} -d {}\n", command.name, flag.name,
                         flag.kind == config::FlagSet::Kind::kBool ? "" : " -r", QuotedWord(flag.help));
    }
  }
  for (const auto& flag : daemon) {
    out += fmt::format("complete -c agent -n __fish_use_subcommand -l {}{} -d {}\n", flag.name,
                       flag.kind == config::FlagSet::Kind::kBool ? "" : " -r", QuotedWord(flag.help));
  }
  return out;
}

}  // namespace

std::string Completion(const std::string& shell) {
  const Descriptions daemon = app::DescribeFlags();
  if (shell == "bash") return Bash(daemon);
  if (shell == "zsh") return Zsh(daemon);
  if (shell == "fish") return Fish(daemon);
  return {};
}

}  // namespace agent::cli
