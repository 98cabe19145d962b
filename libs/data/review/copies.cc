#include "libs/data/review/copies.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "absl/strings/string_view.h"
#include "libs/data/review/near_search.h"

namespace trainyard::data {
namespace {

// A copy has few pictures before it that are nearer; it needs one of them to be in the group.
constexpr int kMostCompared = 32;

// Sets of pictures that grow together; the first picture of each stands for it.
class Sets {
 public:
  explicit Sets(size_t count) : parents_(count), likeness_(count, 1) {
    std::iota(parents_.begin(), parents_.end(), int64_t{0});
  }
  int64_t Find(int64_t item) {
    while (parents_[item] != item) item = parents_[item] = parents_[parents_[item]];
    return item;
  }
  void Join(int64_t a, int64_t b, double likeness) {
    a = Find(a), b = Find(b);
    const int64_t first = std::min(a, b), other = std::max(a, b);
    parents_[other] = first;
    likeness_[first] = std::min({likeness_[first], likeness_[other], likeness});
  }
  double likeness(int64_t item) { return likeness_[Find(item)]; }

 private:
  std::vector<int64_t> parents_;
  std::vector<double> likeness_;
};

// Joins files of the same bytes; returns the first of each.
std::vector<int64_t> JoinSameBytes(absl::Span<const std::optional<Fingerprint>> prints,
                                   Sets& sets) {
  std::map<absl::string_view, int64_t> firsts;
  std::vector<int64_t> distinct;
  for (size_t i = 0; i < prints.size(); ++i) {
    if (!prints[i].has_value()) continue;
    const auto index = static_cast<int64_t>(i);
    const auto [first, is_new] = firsts.try_emplace(prints[i]->sha256, index);
    if (is_new) {
      distinct.push_back(index);
    } else {
      sets.Join(first->second, index, 1);
    }
  }
  return distinct;
}

// Joins what looks the same; returns how many pairs were not looked at.
int64_t JoinLikePictures(absl::Span<const std::optional<Fingerprint>> prints,
                         const std::vector<int64_t>& distinct, int threads, Sets& sets) {
  std::vector<int64_t> compared;
  std::vector<uint64_t> hashes;
  for (const int64_t index : distinct) {
    if (prints[index]->plain) continue;
    compared.push_back(index);
    hashes.push_back(prints[index]->hash);
  }
  const NearPairs near = FindNear(hashes, kCopyDistance, kMostCompared, threads);
  for (const NearPair& pair : near.pairs) {
    const int64_t a = compared[pair.a], b = compared[pair.b];
    const double likeness = Likeness(*prints[a], *prints[b]);
    if (likeness >= kCopyLikeness) sets.Join(a, b, likeness);
  }
  return near.left_out;
}

}  // namespace

Copies FindCopies(absl::Span<const std::optional<Fingerprint>> prints, int threads) {
  Sets sets(prints.size());
  const std::vector<int64_t> distinct = JoinSameBytes(prints, sets);
  Copies copies;
  copies.left_out = JoinLikePictures(prints, distinct, threads, sets);
  std::map<int64_t, CopyGroup> groups;
  for (size_t i = 0; i < prints.size(); ++i) {
    groups[sets.Find(static_cast<int64_t>(i))].members.push_back(static_cast<int64_t>(i));
  }
  for (auto& [first, group] : groups) {
    if (group.members.size() < 2) continue;
    group.least_likeness = sets.likeness(first);
    group.same_bytes = std::all_of(
        group.members.begin(), group.members.end(), [&](int64_t member) {
          return prints[member]->sha256 == prints[first]->sha256;
        });
    copies.groups.push_back(std::move(group));
  }
  return copies;
}

}  // namespace trainyard::data
