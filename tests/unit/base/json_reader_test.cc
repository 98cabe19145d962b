#include "libs/base/json_reader.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/json.h"
#include "libs/base/status.h"
#include "tests/support/status_matchers.h"

namespace trainyard {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::IsOkAndHolds;
using testing::StatusIs;

TEST(JsonReaderTest, ReadsWhatIsAskedForAndSkipsTheRest) {
  JsonReader json("\xEF\xBB\xBF { \"skip\" : {\"a\":[1,{\"b\":\"]}\\\"\"}], \"c\":null},\r\n"
                  "\t\"ids\":[1, -2.5e1 ,0], \"name\":\"x\", \"yes\":true , \"no\":false, \"none\":null}\n");
  std::vector<double> ids;
  std::vector<std::string> names;
  std::vector<bool> bools;
  const absl::Status read = json.Object([&](absl::string_view name) -> absl::Status {
    if (name == "ids") {
      return json.Array([&]() -> absl::Status {
        TY_ASSIGN_OR_RETURN(const double id, json.Number());
        ids.push_back(id);
        return absl::OkStatus();
      });
    }
    if (name == "name") {
      TY_ASSIGN_OR_RETURN(names.emplace_back(), json.String());
      return absl::OkStatus();
    }
    if (name == "yes" || name == "no") {
      TY_ASSIGN_OR_RETURN(const bool value, json.Bool());
      bools.push_back(value);
      return absl::OkStatus();
    }
    return json.Skip();
  });
  EXPECT_THAT(read, IsOk());
  EXPECT_THAT(json.End(), IsOk());
  EXPECT_THAT(ids, ElementsAre(1, -25, 0));
  EXPECT_THAT(names, ElementsAre("x"));
  EXPECT_THAT(bools, ElementsAre(true, false));
}

TEST(JsonReaderTest, ResolvesEscapes) {
  EXPECT_THAT(JsonReader(R"("a\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude00z")").String(),
              IsOkAndHolds("a\"\\/\b\f\n\r\t\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z"));
  EXPECT_THAT(JsonReader(R"("\ud83d!\ude00\ud83d\u0041")").String(),
              IsOkAndHolds("\xEF\xBF\xBD!\xEF\xBF\xBD\xEF\xBF\xBD" "A"));
}

TEST(JsonReaderTest, ReadsBackWhatIsWritten) {
  const std::string text = "quotes \" and \\, a\tb\nc\x01 \xC3\xA9";
  EXPECT_THAT(JsonReader(JsonText(text)).String(), IsOkAndHolds(text));
  for (const double value : {0.1, -1e300, 5e-324, 123456789.0}) {
    EXPECT_THAT(JsonReader(JsonNumber(value)).Number(), IsOkAndHolds(value));
  }
}

TEST(JsonReaderTest, TellsWhereTextIsNoJson) {
  const auto skip = [](absl::string_view text) {
    JsonReader json(text);
    const absl::Status status = json.Object([&](absl::string_view) { return json.Skip(); });
    return status.ok() ? json.End() : status;
  };
  const auto fails = [](absl::string_view text) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(std::string(text)));
  };
  EXPECT_THAT(skip("{\n \"a\": 1\n \"b\": 2}"), fails("line 3, column 2: expected ',' or '}'"));
  EXPECT_THAT(skip("{\"a\": NaN}"), fails("line 1, column 7: expected a value, found 'NaN}'"));
  EXPECT_THAT(skip("{\"a\": 1e999}"), fails("out of range"));
  EXPECT_THAT(skip("{\"a\": [1, 2}"), fails("expected ']'"));
  EXPECT_THAT(skip("{\"a\": [1, 2"), fails("the text ends; expected the end of an object"));
  EXPECT_THAT(skip("{\"a\": \"x"), fails("column 7: the string has no end"));
  EXPECT_THAT(skip("{\"a\": \"x\\"), fails("no such escape"));
  EXPECT_THAT(skip("{\"a\": \"\\x\"}"), fails("no such escape"));
  EXPECT_THAT(skip("{\"a\": \"\\u12g4\"}"), fails("four hexadecimal digits"));
  EXPECT_THAT(skip("{a: 1}"), fails("expected a string"));
  EXPECT_THAT(skip("{\"a\" 1}"), fails("expected ':'"));
  EXPECT_THAT(skip("{\"a\": nul}"), fails("expected a value"));
  EXPECT_THAT(skip("{\"a\": 1,}"), fails("expected a string"));
  EXPECT_THAT(skip("{} {}"), fails("expected the end of the text"));
  EXPECT_THAT(skip(""), fails("the text ends; expected an object"));
  EXPECT_THAT(JsonReader("-").Number(), fails("expected a number"));
  EXPECT_THAT(JsonReader("infinity").Number(), fails("expected a number"));
}

// Brackets in each other cost neither stack nor memory.
TEST(JsonReaderTest, DepthIsBounded) {
  const auto nested = [](int depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  std::function<absl::Status(JsonReader&)> walk = [&walk](JsonReader& json) {
    return json.Array([&] { return walk(json); });
  };
  for (const int depth : {JsonReader::kMaxDepth, JsonReader::kMaxDepth + 1}) {
    const std::string text = nested(depth);
    const bool fits = depth == JsonReader::kMaxDepth;
    JsonReader walked(text), skipped(text);
    EXPECT_EQ(walk(walked).ok(), fits);
    EXPECT_EQ(skipped.Skip().ok(), fits);
  }
  const std::string deep(1 << 22, '[');
  JsonReader json(deep);
  EXPECT_THAT(json.Skip(), StatusIs(absl::StatusCode::kInvalidArgument,
                                    HasSubstr("64 objects and arrays lie in each other")));
}

}  // namespace
}  // namespace trainyard
