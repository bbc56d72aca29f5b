#include "maskbus/detail/credit.hpp"

#include <doctest/doctest.h>

using maskbus::StreamInfo;
using maskbus::detail::Credit;

namespace {

StreamInfo with(std::int64_t received, std::int64_t under_way) {
    StreamInfo info;
    info.counts.received = received;
    info.under_way = under_way;
    return info;
}

void spend(Credit& credit, int count) {
    for (int i = 0; i < count; ++i) {
        REQUIRE(credit.left());
        credit.spend();
    }
}

}  // namespace

TEST_CASE("credit: as many as the limit says, and never fewer for an old message") {
    Credit credit;
    CHECK_FALSE(credit.left());
    credit.open(2);
    spend(credit, 2);
    CHECK_FALSE(credit.left());
    credit.raise(5);
    credit.raise(3);
    spend(credit, 3);
    CHECK_FALSE(credit.left());
}

TEST_CASE("credit: counts begin anew with the stream") {
    Credit credit;
    credit.open(100);
    spend(credit, 50);
    credit.open(1);
    spend(credit, 1);
    CHECK_FALSE(credit.left());
}

TEST_CASE("credit: the node's own numbers are the right ones") {
    Credit credit;
    credit.open(4);
    spend(credit, 4);
    credit.ask();
    credit.told(with(2, 0), 4);  // two frames have been lost, or the credit for them
    spend(credit, 4);
    CHECK_FALSE(credit.left());
    credit.ask();
    credit.told(with(6, 4), 4);  // the node works
    CHECK_FALSE(credit.left());
    CHECK_FALSE(credit.is_whole(4));
    credit.ask();
    credit.raise(7);
    spend(credit, 1);
    credit.told(with(6, 1), 4);  // which does not count the frame that was sent after the question
    spend(credit, 2);
    CHECK_FALSE(credit.left());
    credit.raise(12);
    CHECK_FALSE(credit.is_whole(4));
    credit.raise(13);
    CHECK(credit.is_whole(4));
}
