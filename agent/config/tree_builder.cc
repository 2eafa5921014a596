// SPDX-License-Identifier: Apache-2.0
#include "agent/config/internal/tree_builder.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "agent/config/internal/glob.h"

namespace agent::config::internal {
namespace {

struct Measure {
  size_t nodes = 0;
  size_t bytes = 0;
  size_t depth = 0;
};

Measure MeasureTree(const Node& node) {
  Measure all{1, node.scalar.size(), 1};
  const auto add = [&all](const Node& child) {
    const Measure part = MeasureTree(child);
    all = {all.nodes + part.nodes, all.bytes + part.bytes, std::max(all.depth, part.depth + 1)};
  };
  for (const Node& item : node.items) add(item);
  for (const auto& [key, value] : node.members) add(key), add(value);
  return all;
}

// yaml-cpp turns the escapes \N and \_ into the bare bytes 0x85 and 0xa0, not into UTF-8.
std::string RepairEscapes(const std::string& value) {
  std::string out;
  for (std::string_view rest = value; !rest.empty();) {
    const std::string_view one = rest.substr(0, CharLength(rest));
    if (one == "\x85" || one == "\xA0") out += '\xC2';
    out += one;
    rest.remove_prefix(one.size());
  }
  return out;
}

}  // namespace

void TreeBuilder::Fail(const Place& place, const std::string& message) {
  if (!failed_) diagnostics_.AddError(place, "", message);
  failed_ = true;
}

bool TreeBuilder::Count(const Place& place, size_t nodes, size_t bytes, size_t depth) {
  if (failed_) return false;
  nodes_ += nodes;
  bytes_ += bytes;
  if (depth > kMaxYamlDepth) {
    Fail(place, "the YAML is nested deeper than " + std::to_string(kMaxYamlDepth) + " levels; flatten it");
  } else if (nodes_ > kMaxYamlNodes || bytes_ > kMaxYamlBytes) {
    Fail(place, "the YAML grows beyond " + std::to_string(kMaxYamlNodes) + " values or " +
                    std::to_string(kMaxYamlBytes >> 20) + " MiB here (aliases count each time they are used)");
  }
  return !failed_;
}

void TreeBuilder::OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) {
  Node node;
  node.place = PlaceOf(mark);
  // yaml-cpp does not hand over which spelling of null it read; as a key, or in a
  // place for text, the spelling is wanted.
  const std::string_view rest = text_.substr(std::min<size_t>(text_.size(), static_cast<size_t>(std::max(mark.pos, 0))));
  for (const std::string_view word : {"null", "Null", "NULL", "~"}) {
    if (rest.starts_with(word)) {
      node.kind = Node::Kind::kScalar;
      node.scalar = word;
      break;
    }
  }
  if (Count(node.place, 1, 0, stack_.size() + 1)) Add(std::move(node), anchor);
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& value) {
  last_scalar_ = mark;
  Node node;
  node.kind = Node::Kind::kScalar;
  node.place = PlaceOf(mark);
  node.scalar = RepairEscapes(value);
  if (tag == "tag:yaml.org,2002:binary") {
    diagnostics_.AddError(node.place, "", "the tag !!binary is not supported; write the text itself, quoted");
  }
  // "?" is a plain scalar, "!" a quoted one; an unknown tag makes text, as in yaml.v2.
  node.quoted = true;
  for (const std::string_view plain : {"?", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float",
                                       "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"}) {
    if (tag == plain) node.quoted = false;
  }
  if (Count(node.place, 1, value.size(), stack_.size() + 1)) Add(std::move(node), anchor);
}

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  if (failed_) return;
  const Place place = PlaceOf(mark);
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end() || found->second.open) {
    Fail(place, "an alias stands inside the value that it names; that value would have no end");
    return;
  }
  const Anchored& target = found->second;
  if (!Count(place, target.nodes, target.bytes, stack_.size() + target.depth)) return;
  Node copy = target.node;
  Add(std::move(copy), 0);
}

void TreeBuilder::OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                                  YAML::EmitterStyle::value) {
  Open(Node::Kind::kSequence, mark, anchor);
}

void TreeBuilder::OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                             YAML::EmitterStyle::value) {
  Open(Node::Kind::kMap, mark, anchor);
}

void TreeBuilder::Open(Node::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
  const Place place = PlaceOf(mark);
  if (!Count(place, 1, 0, stack_.size() + 1)) return;
  Frame frame;
  frame.node.kind = kind;
  frame.node.place = place;
  frame.anchor = anchor;
  if (anchor != 0) anchors_[anchor] = {};
  stack_.push_back(std::move(frame));
}

void TreeBuilder::Close() {
  if (failed_) return;
  Frame frame = std::move(stack_.back());
  stack_.pop_back();
  Merge(frame);
  if (!failed_) Add(std::move(frame.node), frame.anchor);
}

void TreeBuilder::Add(Node node, YAML::anchor_t anchor) {
  if (anchor != 0) {
    const Measure size = MeasureTree(node);
    if (!Count(node.place, size.nodes, size.bytes, 0)) return;
    anchors_[anchor] = {node, size.nodes, size.bytes, size.depth, false};
  }
  if (stack_.empty()) {
    root_ = std::move(node);
    return;
  }
  Frame& frame = stack_.back();
  if (frame.node.is_sequence()) {
    frame.node.items.push_back(std::move(node));
  } else if (!frame.has_key) {
    SetKey(frame, std::move(node));
  } else {
    AddMember(frame, std::move(node));
  }
}

void TreeBuilder::SetKey(Frame& frame, Node key) {
  frame.has_key = true;
  frame.bad_key = !key.is_scalar();
  if (frame.bad_key) {
    diagnostics_.AddError(key.place, "", "a key must be text, not a list, a map or nothing; quote it if it is meant as text");
  }
  frame.key = std::move(key);
}

void TreeBuilder::AddMember(Frame& frame, Node value) {
  frame.has_key = false;
  if (frame.bad_key) return;
  if (!frame.key.quoted && frame.key.scalar == "<<") {
    frame.merges.push_back(std::move(value));
    return;
  }
  const auto [first, added] = frame.lines.try_emplace(frame.key.scalar, frame.key.place.line);
  if (!added) {
    diagnostics_.AddError(frame.key.place, "",
                          "the key `" + frame.key.scalar + "` is here a second time (first on line " +
                              std::to_string(first->second) + "); remove one of them");
    return;
  }
  frame.node.members.emplace_back(std::move(frame.key), std::move(value));
}

void TreeBuilder::Merge(Frame& frame) {
  for (const Node& source : frame.merges) {
    if (source.is_map()) {
      MergeMap(frame, source);
    } else if (source.is_sequence() && std::ranges::all_of(source.items, &Node::is_map)) {
      for (const Node& item : source.items) MergeMap(frame, item);
    } else {
      diagnostics_.AddError(source.place, "", "`<<` merges a map or a list of maps into this map; its value is neither");
    }
  }
}

void TreeBuilder::MergeMap(Frame& frame, const Node& source) {
  for (const auto& [key, value] : source.members) {
    if (!frame.lines.try_emplace(key.scalar, key.place.line).second) continue;  // the map's own key wins
    const Measure size = MeasureTree(value);
    if (!Count(frame.node.place, size.nodes + 1, size.bytes + key.scalar.size(), stack_.size() + size.depth)) return;
    frame.node.members.emplace_back(key, value);
  }
}

}  // namespace agent::config::internal
