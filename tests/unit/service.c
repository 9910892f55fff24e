/* SPDX-License-Identifier: ISC */
/*
 * service.c - tests of the table of services: each is as a module's must be
 */
#include "server/service_table.h"

#include "tests/unit/check.h"

static enum verdict input(struct turn *turn)
{
	(void)turn;
	return VERDICT_CONTINUE;
}

static void answer(struct datagram *datagram)
{
	(void)datagram;
}

static const char *set(void *settings, const char *value)
{
	(void)settings;
	(void)value;
	return NULL;
}

static void test_built_in(void)
{
	const struct service *service;
	size_t i = 0;

	for (; (service = service_at(i)); i++) {
		struct service whole = *service;
		const char *wrong;

		if (!whole.input && !whole.datagram) {
			/* exec gives its sockets away */
			whole.input = input;
			whole.datagram = answer;
		}
		wrong = service_fault(&whole);
		CHECK_TEXT(wrong ? wrong : "", "");
		CHECK(service_find(service->name) == service);
	}
	CHECK(i > 0);
}

/* Names that statsd, Prometheus, a table or a path could not show. */
static void test_names(void)
{
	static const char *const bad[] = { "",   "A",   "a b", "1a",
					   "-a", "a/b", "a.b", "a\n" };
	struct service service = { .name = "a-b_1",
				   .help = "x",
				   .transports = SERVICE_STREAM,
				   .input = input };

	CHECK(!service_fault(&service));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		service.name = bad[i];
		CHECK(service_fault(&service));
	}
}

static void test_counters(void)
{
	struct service_counter counters[] = {
		{ "said", "bytes", "x" },
		{ "heard", "", "x" },
	};
	const struct service service = { .name = "turn",
					 .help = "x",
					 .transports = SERVICE_STREAM,
					 .input = input,
					 .counters = counters,
					 .n_counters = 2 };

	CHECK(!service_fault(&service));
	/* in Prometheus it is said_bytes, too */
	counters[1].name = "said_bytes";
	CHECK(service_fault(&service));
	counters[1].name = "said.bytes";
	CHECK(service_fault(&service));
	counters[1].name = "bytes.in"; /* every listener has it */
	CHECK(service_fault(&service));
	counters[1].name = "bytes_in";
	CHECK(service_fault(&service));
	counters[1].name = "p50_us"; /* turn.p50_us */
	CHECK(service_fault(&service));
	counters[1].name = "listened";
	CHECK(!service_fault(&service));
	counters[1].unit = "B/s";
	CHECK(service_fault(&service));
}

static void test_settings(void)
{
	struct service_setting settings[] = {
		{ "file", "FILE", NULL, "x", set },
		{ "files", "FILE", NULL, "x", set },
	};
	const struct service service = { .name = "a",
					 .help = "x",
					 .transports = SERVICE_STREAM,
					 .input = input,
					 .settings = settings,
					 .n_settings = 2 };

	CHECK(!service_fault(&service));
	settings[1].name = "file";
	CHECK(service_fault(&service));
	settings[1].name = "idle-timeout"; /* every listener has it */
	CHECK(service_fault(&service));
	settings[1].name = "retired"; /* in a configuration in force */
	CHECK(service_fault(&service));
	settings[1].name = "other";
	settings[1].set = NULL;
	CHECK(service_fault(&service));
}

/* A connection's counts are aligned, whatever the size of the state. */
static void test_places(void)
{
	struct service service = { .state_bytes = 0 };

	CHECK_NUMBER(service_copy_bytes(&service), 0);
	service.state_bytes = 9;
	service.n_counters = 3;
	CHECK_NUMBER(service_counts_at(&service), 16);
	CHECK_NUMBER(service_copy_bytes(&service), 16 + 3 * sizeof(uint64_t));
}

int main(void)
{
	test_built_in();
	test_names();
	test_counters();
	test_settings();
	test_places();
	return check_result();
}
