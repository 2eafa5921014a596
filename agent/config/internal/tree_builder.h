// SPDX-License-Identifier: Apache-2.0
// yaml-cpp's events in, a Node tree out: aliases copied in place, merge keys resolved,
// duplicate keys reported, growth bounded (an alias bomb is an error, not a crash).
// Borrows the text and the diagnostics for its life. Thread-compatible.
// After the first limit is reached it only swallows events: a handler cannot stop the
// parser but by throwing, and the input is bounded.
#pragma once

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/mark.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/config/node.h"

namespace agent::config::internal {

inline constexpr size_t kMaxYamlBytes = 8 << 20;   // of text, and again of copied scalars
inline constexpr size_t kMaxYamlNodes = 400'000;   // aliases counted as often as used
inline constexpr size_t kMaxYamlDepth = 64;

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, const std::string& file, Diagnostics& diagnostics)
      : text_(text), file_(file), diagnostics_(diagnostics) {}

  Node TakeRoot() { return failed_ ? Node{} : std::move(root_); }
  bool failed() const { return failed_; }
  // Where the node of the last scalar begins (its anchor or tag, if it has them).
  const YAML::Mark& last_scalar() const { return last_scalar_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override;
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override;
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    Node node;
    YAML::anchor_t anchor = 0;
    Node key;  // of a map: the key whose value comes next
    bool has_key = false;
    bool bad_key = false;  // its value is thrown away
    std::unordered_map<std::string, int> lines;  // of a map: line of each key
    std::vector<Node> merges;                    // of a map: values of `<<`
  };
  struct Anchored {
    Node node;
    size_t nodes = 0;
    size_t bytes = 0;
    size_t depth = 0;
    bool open = true;  // still being built
  };

  Place PlaceOf(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }
  void Open(Node::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor);
  void Close();
  void Add(Node node, YAML::anchor_t anchor);
  void AddMember(Frame& frame, Node value);
  void SetKey(Frame& frame, Node key);
  void Merge(Frame& frame);
  void MergeMap(Frame& frame, const Node& source);
  // Counts what is about to be added; false (with one error) once a limit is passed.
  bool Count(const Place& place, size_t nodes, size_t bytes, size_t depth);
  void Fail(const Place& place, const std::string& message);

  std::string_view text_;
  const std::string& file_;
  Diagnostics& diagnostics_;
  Node root_;
  std::vector<Frame> stack_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  size_t nodes_ = 0;
  size_t bytes_ = 0;
  YAML::Mark last_scalar_;
  bool failed_ = false;
};

}  // namespace agent::config::internal
