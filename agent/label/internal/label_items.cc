// SPDX-License-Identifier: Apache-2.0
#include "agent/label/internal/label_items.h"

#include <algorithm>
#include <array>

#include "agent/label/internal/hash64.h"
#include "agent/label/relabel.h"
#include "agent/text/utf8.h"

namespace agent::label {
namespace {

// What tells one pod's lines from another's stays when there are too many labels.
constexpr std::array<std::string_view, 8> kIdentity = {"container", "filename", "instance", "job",
                                                       "namespace", "node_name", "pod",     "stream"};

bool ByName(const LabelItem& a, const LabelItem& b) { return a.name < b.name; }

bool IsLogStream(const LabelItem& item) {
  return item.name == "stream" && (item.value == "stdout" || item.value == "stderr");
}

// 0 = stays longest.
int Rank(const LabelItem& item) {
  if (std::find(kIdentity.begin(), kIdentity.end(), item.name) != kIdentity.end()) return 0;
  return item.from_target ? 1 : 2;
}

}  // namespace

const char* NameOfRepair(size_t bit) {
  constexpr std::array<const char*, kRepairs> kNames = {"name_illegal",   "name_too_long",  "value_too_long",
                                                        "value_not_utf8", "too_many_names", "no_labels"};
  return kNames[bit];
}

std::string_view CutUtf8(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return text.substr(0, most);
}

std::string ToUtf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const text::Rune rune = text::DecodeRune(text);
    text::AppendRune(out, rune.code);
    text.remove_prefix(rune.size);
  }
  return out;
}

std::string_view LabelItems::Keep(std::string text) {
  repaired_.push_back(std::move(text));
  return repaired_.back();
}

void LabelItems::Load(const LabelSet& set, const LabelSet& base, const PolicyOptions& options) {
  items_.clear();
  surplus_.clear();
  repaired_.clear();
  const auto& pairs = set.pairs();
  const auto& exempt = options.cardinality.exempt;
  for (uint32_t i = 0; i < pairs.size(); ++i) {
    LabelItem item{.name = pairs[i].first, .value = pairs[i].second, .index = i};
    const std::string* own = base.Find(item.name);
    item.from_target = own != nullptr && *own == item.value;
    item.guarded = !item.from_target && !item.value.empty() && item.name != kTenant && !IsLogStream(item) &&
                   !exempt.contains(item.name);
    items_.push_back(item);
  }
}

uint8_t LabelItems::RepairName(LabelItem& item, const PolicyOptions& options) {
  uint8_t done = 0;
  if (!IsLegalLabelName(item.name)) {
    std::string legal = SanitizeLabelName(item.name);
    if (legal.empty() || (legal.front() >= '0' && legal.front() <= '9')) legal.insert(0, "_");
    item.name = Keep(std::move(legal));
    done |= kNameIllegal;
  }
  const size_t most = options.max_label_name_length;
  if (most > 0 && item.name.size() > most) {
    item.name = item.name.substr(0, most);
    done |= kNameTooLong;
  }
  return done;
}

uint8_t LabelItems::RepairValue(LabelItem& item, const PolicyOptions& options) {
  uint8_t done = 0;
  if (!text::IsValidUtf8(item.value)) {
    item.value = Keep(ToUtf8(item.value));
    done |= kValueNotUtf8;
  }
  const size_t most = options.max_label_value_length;
  if (most > 0 && item.value.size() > most) {
    item.value = CutUtf8(item.value, most);
    done |= kValueTooLong;
  }
  return done;
}

// True if there were too many.
bool LabelItems::LimitNames(const PolicyOptions& options) {
  if (options.max_label_names == 0) return false;
  const auto has = [this](std::string_view name) {
    return std::any_of(items_.begin(), items_.end(), [name](const LabelItem& item) { return item.name == name; });
  };
  const auto counts = [](const LabelItem& item) { return item.name != kTenant && !item.value.empty(); };
  auto count = static_cast<size_t>(std::count_if(items_.begin(), items_.end(), counts));
  for (const std::string& external : options.external_labels) count += has(external) ? 0 : 1;
  bool over = false;
  for (; count > options.max_label_names; --count) {
    auto victim = items_.end();
    for (auto item = items_.begin(); item != items_.end(); ++item) {
      if (!counts(*item)) continue;
      if (victim == items_.end() || Rank(*item) >= Rank(*victim)) victim = item;
    }
    if (victim == items_.end()) break;  // external labels alone are too many
    surplus_.push_back(*victim);
    items_.erase(victim);
    over = true;
  }
  std::reverse(surplus_.begin(), surplus_.end());
  return over;
}

uint8_t LabelItems::MakeLegal(const PolicyOptions& options) {
  uint8_t done = 0;
  uint8_t names = 0;
  for (LabelItem& item : items_) {
    names |= RepairName(item, options);
    done |= RepairValue(item, options);
  }
  if (names != 0) {
    // A name that was legal wins over one that was made so.
    const auto repaired = [this](const LabelItem& item) {
      return std::any_of(repaired_.begin(), repaired_.end(), [&](const std::string& t) { return t.data() == item.name.data(); });
    };
    std::stable_sort(items_.begin(), items_.end(), [&](const LabelItem& a, const LabelItem& b) {
      return a.name != b.name ? a.name < b.name : !repaired(a) && repaired(b);
    });
    items_.erase(std::unique(items_.begin(), items_.end(),
                             [](const LabelItem& a, const LabelItem& b) { return a.name == b.name; }),
                 items_.end());
    done |= names;
  }
  if (LimitNames(options)) done |= kTooManyNames;
  const bool any = std::any_of(items_.begin(), items_.end(), [](const LabelItem& item) {
    return item.name != kTenant && !item.value.empty();
  });
  if (!any && options.external_labels.empty()) {
    items_.push_back({.name = kNoLabelName, .value = kNoLabelValue, .index = kAdded, .from_target = true});
    std::sort(items_.begin(), items_.end(), ByName);
    done |= kNoLabels;
  }
  return done;
}

bool LabelItems::SameAs(const LabelSet& set) const {
  const auto& pairs = set.pairs();
  return pairs.size() == items_.size() &&
         std::equal(items_.begin(), items_.end(), pairs.begin(), [](const LabelItem& item, const LabelSet::Pair& pair) {
           return item.name == pair.first && item.value == pair.second;
         });
}

uint64_t LabelItems::Hash() const {
  uint64_t hash = 0;
  for (const LabelItem& item : items_) hash = Hash64(item.value, Hash64(item.name, hash));
  return hash;
}

}  // namespace agent::label
