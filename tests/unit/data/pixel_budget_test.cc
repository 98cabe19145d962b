#include "libs/data/internal/pixel_budget.h"

#include <atomic>
#include <future>
#include <optional>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace trainyard::data::internal {
namespace {

TEST(PixelBudgetTest, AShareComesWhenThePixelsAreGivenBack) {
  PixelBudget budget(100);
  std::optional<PixelBudget::Share> first;
  first.emplace(budget, 60);
  const PixelBudget::Share beside(budget, 40);
  std::promise<void> begun;
  std::atomic<bool> given_back{false};
  std::thread waiter([&] {
    begun.set_value();
    const PixelBudget::Share second(budget, 50);
    EXPECT_TRUE(given_back);
  });
  begun.get_future().wait();
  given_back = true;
  first.reset();
  waiter.join();
}

TEST(PixelBudgetTest, NeverMoreThanTheBudgetAtOneTime) {
  PixelBudget budget(100);
  std::atomic<int> in_use{0}, most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const PixelBudget::Share share(budget, 40);
        const int now = in_use += 40;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        std::this_thread::yield();
        in_use -= 40;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 100);
}

// One picture may be larger than the budget: it waits until it is alone, not for ever.
TEST(PixelBudgetTest, MoreThanThereIsCountsAsAll) {
  PixelBudget budget(100);
  { const PixelBudget::Share all(budget, 1000); }
  const PixelBudget::Share again(budget, 1000);
}

}  // namespace
}  // namespace trainyard::data::internal
