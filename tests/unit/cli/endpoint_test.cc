#include "cli/endpoint.h"

#include <stdlib.h>

#include "cli/session.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::cli {
namespace {

using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

TEST(EndpointOfTest, TakesWhatPeopleType) {
  for (const auto& [typed, address] : std::initializer_list<std::pair<const char*, const char*>>{
           {"host:7000", "host:7000"},
           {"http://host:7000", "host:7000"},
           {"HTTP://host:7000/", "host:7000"},
           {"grpc://host:7000", "host:7000"},
           {" host:7000 ", "host:7000"},
           {"7000", "127.0.0.1:7000"},
           {":7000", "127.0.0.1:7000"},
           {"[::1]:7000", "[::1]:7000"},
           {"dns:///train:7002", "dns:///train:7002"},
           {"unix:/run/train", "unix:/run/train"}}) {
    EXPECT_THAT(EndpointOf(typed, "--endpoint"), IsOkAndHolds(address)) << typed;
  }
}

TEST(EndpointOfTest, SaysWhatIsWrongInTheUsersWords) {
  for (const char* wrong : {"", "host", "host:", "host:http", "host:70000", "::1", "http://host",
                            "host:1/path", "user@host:1", "0"}) {
    EXPECT_THAT(EndpointOf(wrong, "--endpoint"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("; expected host:port such as 127.0.0.1:7000")))
        << wrong;
  }
  EXPECT_THAT(EndpointOf("https://host:7000", "TRAINYARD_ENDPOINT"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       "TRAINYARD_ENDPOINT is 'https://host:7000'; TLS is not offered yet, write "
                       "http://host:port"));
}

class ContextsTest : public ::testing::Test {
 protected:
  ContextsTest() { setenv("TRAINYARD_CONTEXTS", (folder_ / "some/contexts.yaml").c_str(), 1); }
  ~ContextsTest() override {
    for (const char* name : {"TRAINYARD_CONTEXTS", "TRAINYARD_ENDPOINT", "TRAINYARD_CONTEXT"}) {
      unsetenv(name);
    }
  }
  TemporaryFolder folder_;
};

TEST_F(ContextsTest, AreKeptInAFileThatNeedNotBeThere) {
  auto contexts = Contexts::Load();
  ASSERT_THAT(contexts, IsOk());
  contexts->Set("lab", {.endpoint = "lab:7000", .services = {}});
  contexts->Set("two: \"words\"", {.endpoint = "", .services = {{"train", "t:1"}}});
  ASSERT_THAT(contexts->Use("lab"), IsOk());
  ASSERT_THAT(contexts->Save(), IsOk());
  auto again = Contexts::Load();
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->current(), "lab");
  EXPECT_EQ(again->Find("two: \"words\"")->services.at("train"), "t:1");
  EXPECT_THAT(again->Find("lap"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean 'lab'?")));
  ASSERT_THAT(again->Remove("lab"), IsOk());
  EXPECT_EQ(again->current(), "");
}

TEST_F(ContextsTest, WithoutAHomeThereAreNoneAndNoneAreKept) {
  const char* const home = getenv("HOME");
  const std::string kept = home == nullptr ? "" : home;
  for (const char* name : {"TRAINYARD_CONTEXTS", "XDG_CONFIG_HOME", "HOME"}) unsetenv(name);
  const auto contexts = Contexts::Load();
  ASSERT_THAT(contexts, IsOk());
  EXPECT_TRUE(contexts->all().empty());
  EXPECT_THAT(contexts->Save(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no place for contexts")));
  if (!kept.empty()) setenv("HOME", kept.c_str(), 1);
}

TEST_F(ContextsTest, AFileThatIsNoneIsNamedWithItsLine) {
  ASSERT_THAT(MakeFolders(folder_ / "some"), IsOk());
  for (const auto& [text, what] : std::initializer_list<std::pair<const char*, const char*>>{
           {"contexts:\n  a: {endpoit: x}\n", "contexts.yaml:2: 'endpoit' is not known"},
           {"contexts:\n  a: {endpoint: x}\n", "contexts.yaml:2: endpoint is 'x'"},
           {"curent: a\n", "contexts.yaml:1: 'curent' is not known"},
           {"contexts: {a: [1]}\n", "a context is {endpoint"},
           {"a: [", "contexts.yaml: "}}) {
    ASSERT_THAT(WriteFileAtomically(folder_ / "some/contexts.yaml", text), IsOk());
    EXPECT_THAT(Contexts::Load(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(what)));
  }
}

TEST_F(ContextsTest, FlagsWinOverVariablesAndThoseOverTheCurrentContext) {
  auto contexts = Contexts::Load();
  ASSERT_THAT(contexts, IsOk());
  contexts->Set("a", {.endpoint = "a:1", .services = {}});
  contexts->Set("b", {.endpoint = "b:1", .services = {}});
  ASSERT_THAT(contexts->Save(), IsOk());
  Session session;
  EXPECT_EQ(WhereServicesAre(session)->endpoint, "");
  ASSERT_THAT(contexts->Use("a"), IsOk());
  ASSERT_THAT(contexts->Save(), IsOk());
  EXPECT_EQ(WhereServicesAre(session)->endpoint, "a:1");
  setenv("TRAINYARD_CONTEXT", "b", 1);
  EXPECT_EQ(WhereServicesAre(session)->endpoint, "b:1");
  setenv("TRAINYARD_ENDPOINT", "http://e:1", 1);
  EXPECT_EQ(WhereServicesAre(session)->endpoint, "e:1");
  session.context = "a";
  EXPECT_EQ(WhereServicesAre(session)->endpoint, "a:1");
  session.endpoint = "7000";
  EXPECT_EQ(WhereServicesAre(session)->endpoint, "127.0.0.1:7000");
}

}  // namespace
}  // namespace trainyard::cli
