#include "libs/sealing/internal/crypto.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::sealing {
namespace {

using ::testing::Each;

Bytes16 Salt(uint8_t first) { return {first}; }

TEST(SecretTest, IsOverwrittenWhenItGoes) {
  alignas(Secret) unsigned char place[sizeof(Secret)];
  Secret* secret = new (place) Secret;
  std::fill_n(secret->data(), 32, uint8_t{0xab});
  secret->~Secret();
  EXPECT_THAT(place, Each(0));
}

TEST(DeriveMasterTest, NobodyWaitsForTheKeyOfAnother) {
  std::atomic<bool> done = false;
  // Seconds of work: ten times what a file may ask for.
  std::thread slow([&done] {
    DeriveMaster("slow", Salt(0), 6'000'000);
    done = true;
  });
  for (int i = 1; i <= 200; ++i) {
    DeriveMaster("quick", Salt(static_cast<uint8_t>(i)), 1);
    std::this_thread::yield();
  }
  DeriveMaster("quick", Salt(1), 100'000);
  EXPECT_FALSE(done) << "200 derivations of one step waited for one of six million";
  slow.join();
}

TEST(DeriveMasterTest, KeySaltAndIterationsAllMatter) {
  const auto view = [](const Secret& secret) { return std::string(secret.view()); };
  const std::string one = view(DeriveMaster("key", Salt(1), 10));
  EXPECT_EQ(one, view(DeriveMaster("key", Salt(1), 10)));
  EXPECT_NE(one, view(DeriveMaster("kez", Salt(1), 10)));
  EXPECT_NE(one, view(DeriveMaster("key", Salt(2), 10)));
  EXPECT_NE(one, view(DeriveMaster("key", Salt(1), 11)));
}

}  // namespace
}  // namespace trainyard::sealing
