#include "libs/data/data_split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "libs/base/random.h"

namespace trainyard::data {
namespace {

int64_t WantedOf(int64_t items, double share) {
  if (items < 2) return 0;
  const auto wanted = static_cast<int64_t>(std::llround(share * static_cast<double>(items)));
  return std::clamp<int64_t>(wanted, 1, items - 1);
}

class Split {
 public:
  Split(absl::Span<const SplitItem> items, uint64_t seed) : items_(items), is_chosen_(items.size()) {
    std::map<int, std::vector<size_t>> groups;
    for (size_t i = 0; i < items.size(); ++i) groups[items[i].group].push_back(i);
    for (auto& [number, members] : groups) groups_.push_back(std::move(members));
    Philox random(seed, 0, 0, RandomPurpose::kPartition);
    for (size_t i = groups_.size(); i > 1; --i) {
      std::swap(groups_[i - 1], groups_[random.Below(i)]);
    }
  }

  // Chooses groups until `share` of the items that `counts` says yes to are validation.
  template <typename Counts>
  void Choose(double share, const Counts& counts) {
    int64_t all = 0, chosen = 0;
    for (size_t i = 0; i < items_.size(); ++i) {
      if (!counts(items_[i])) continue;
      ++all;
      chosen += is_chosen_[i] ? 1 : 0;
    }
    const int64_t wanted = WantedOf(all, share);
    for (const std::vector<size_t>& group : groups_) {
      if (chosen >= wanted) return;
      const auto gain = static_cast<int64_t>(
          std::count_if(group.begin(), group.end(), [&](size_t i) { return counts(items_[i]); }));
      if (is_chosen_[group.front()] || gain == 0 || chosen + gain > wanted) continue;
      for (const size_t i : group) is_chosen_[i] = true;
      chosen += gain;
    }
  }

  // The smallest group, when all of them were too large; the first of those in the random order.
  void ChooseSomething() {
    if (groups_.size() < 2 || std::count(is_chosen_.begin(), is_chosen_.end(), true) > 0) return;
    const auto smallest =
        std::min_element(groups_.begin(), groups_.end(),
                         [](const auto& a, const auto& b) { return a.size() < b.size(); });
    for (const size_t i : *smallest) is_chosen_[i] = true;
  }

  std::vector<bool> Take() { return std::move(is_chosen_); }

 private:
  absl::Span<const SplitItem> items_;
  std::vector<std::vector<size_t>> groups_;
  std::vector<bool> is_chosen_;
};

}  // namespace

std::vector<bool> ChooseValidation(absl::Span<const SplitItem> items, double share, uint64_t seed) {
  std::map<int, int64_t> counts;
  for (const SplitItem& item : items) {
    for (const int one : item.classes) ++counts[one];
  }
  std::vector<std::pair<int64_t, int>> rarest_first;
  for (const auto& [one, count] : counts) rarest_first.emplace_back(count, one);
  std::sort(rarest_first.begin(), rarest_first.end());
  Split split(items, seed);
  for (const auto& [count, one] : rarest_first) {
    split.Choose(share, [one = one](const SplitItem& item) {
      return std::count(item.classes.begin(), item.classes.end(), one) > 0;
    });
  }
  split.Choose(share, [](const SplitItem&) { return true; });
  split.ChooseSomething();
  return split.Take();
}

}  // namespace trainyard::data
