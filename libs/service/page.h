#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace trainyard::service {

/// How many items a page of a list has: `asked`, 50 when it is 0, and 1000 at most. `asked` >= 0.
inline int PageSize(int asked) { return asked == 0 ? 50 : std::min(asked, 1000); }

/// Of a page of a list, about: gRPC's clients take 4 MiB unless they are told to take more.
inline constexpr size_t kMostPageBytes = size_t{2} << 20;

/// Adds `items` to a page in their order: `size` (>= 1) of them at most, and no more once they have
/// more than kMostPageBytes. `add` adds one and returns its bytes. Returns the last one that was
/// added when others are left for the next page, else nullptr; so ask for one more than `size`.
template <typename Item, typename Add>
const Item* FillPage(const std::vector<Item>& items, int size, Add add) {
  size_t bytes = 0;
  const Item* last = nullptr;
  for (const Item& item : items) {
    if (size-- == 0 || bytes > kMostPageBytes) return last;
    bytes += add(item);
    last = &item;
  }
  return nullptr;
}

}  // namespace trainyard::service
