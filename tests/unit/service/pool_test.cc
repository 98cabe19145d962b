#include "libs/service/pool.h"

#include <future>

#include "gtest/gtest.h"

namespace trainyard::service {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(PoolTest, IsStuckWhenAllThreadsHaveBeenBusyForLong) {
  // The pool waits for its threads, so it goes before what they use.
  std::promise<void> first_began, second_began, first_end, second_end;
  Pool pool(2, /*held=*/false, /*stuck_after=*/std::chrono::nanoseconds(0));
  pool.Run([&] {
    first_began.set_value();
    first_end.get_future().wait();
  });
  first_began.get_future().wait();
  EXPECT_FALSE(pool.stuck()) << "one thread is free";
  pool.Run([&] {
    second_began.set_value();
    second_end.get_future().wait();
  });
  second_began.get_future().wait();
  EXPECT_TRUE(pool.stuck());
  EXPECT_FALSE(pool.AwaitIdle(milliseconds(1)));
  first_end.set_value();
  second_end.set_value();
  EXPECT_TRUE(pool.AwaitIdle(seconds(30)));
  EXPECT_FALSE(pool.stuck());
}

TEST(PoolTest, IsNotStuckBeforeItsTime) {
  std::promise<void> began, end;
  Pool pool(1, /*held=*/false, /*stuck_after=*/std::chrono::hours(1));
  pool.Run([&] {
    began.set_value();
    end.get_future().wait();
  });
  began.get_future().wait();
  EXPECT_FALSE(pool.stuck());
  end.set_value();
}

TEST(PoolTest, BeginsNothingBeforeItsTime) {
  std::promise<Pool::Clock::time_point> later, sooner;
  Pool pool(1);
  const auto asked = Pool::Clock::now();
  pool.RunAt(asked + milliseconds(60), [&] { later.set_value(Pool::Clock::now()); });
  pool.RunAt(asked + milliseconds(20), [&] { sooner.set_value(Pool::Clock::now()); });
  EXPECT_GE(sooner.get_future().get(), asked + milliseconds(20));
  EXPECT_GE(later.get_future().get(), asked + milliseconds(60));
}

TEST(PoolTest, LetsGoOfWhatIsForgotten) {
  Pool pool(1);
  const auto held = std::make_shared<int>();
  const auto in_a_year = Pool::Clock::now() + std::chrono::hours(24 * 365);
  const Pool::Appointment first = pool.RunAt(in_a_year, [held] {});
  pool.RunAt(in_a_year, [held] {});
  EXPECT_EQ(held.use_count(), 3);
  pool.Forget(first);
  EXPECT_EQ(held.use_count(), 2);
  pool.Forget(first);
  EXPECT_EQ(held.use_count(), 2);
}

TEST(PoolTest, DoesNotWaitForWhatIsToBeginLater) {
  Pool pool(2);
  pool.RunAt(Pool::Clock::now() + std::chrono::hours(1), [] { ADD_FAILURE(); });
  EXPECT_TRUE(pool.AwaitIdle(seconds(30)));
}

}  // namespace
}  // namespace trainyard::service
