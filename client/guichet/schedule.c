/* SPDX-License-Identifier: ISC */
/*
 * schedule.c - when the requests of a load are due
 */
#include "client/guichet/schedule.h"

#include "common/units.h"

void schedule_start(struct schedule *s, const struct bench_plan *plan,
		    uint64_t now_ns)
{
	s->start_ns = now_ns;
	s->stop_ns = plan->duration_ns == UNITS_OFF ?
			     UINT64_MAX :
			     now_ns + plan->duration_ns;
	s->n_requests = plan->n_requests;
	s->rate = plan->rate;
	s->n_shares = plan->n_connections;
	s->is_shared = !plan->is_churn;
	s->n_taken = 0;
	s->n_called = 0;
}

uint64_t schedule_due_ns(const struct schedule *s, uint64_t k)
{
	/* in two steps, so that no product overflows */
	return s->start_ns + k / s->rate * NS_PER_S +
	       k % s->rate * NS_PER_S / s->rate;
}

bool schedule_take_share(struct schedule *s, uint64_t index, uint64_t n_before,
			 uint64_t now_ns, uint64_t *due_ns)
{
	uint64_t k;

	if (now_ns >= s->stop_ns || s->n_taken >= s->n_requests)
		return false;
	*due_ns = now_ns;
	if (s->rate) {
		k = n_before * s->n_shares + index;
		*due_ns = schedule_due_ns(s, k);
		if (*due_ns > now_ns || k >= s->n_requests)
			return false;
	}
	s->n_taken++;
	return true;
}

bool schedule_take_next(struct schedule *s, uint64_t now_ns, uint64_t *due_ns)
{
	if (now_ns >= s->stop_ns || s->n_taken >= s->n_requests)
		return false;
	*due_ns = s->rate ? schedule_due_ns(s, s->n_taken) : now_ns;
	if (*due_ns > now_ns)
		return false;
	s->n_taken++;
	return true;
}

bool schedule_call(struct schedule *s, uint64_t now_ns, uint64_t *index)
{
	if (!s->rate || s->n_called >= s->n_requests || now_ns >= s->stop_ns ||
	    schedule_due_ns(s, s->n_called) > now_ns)
		return false;
	*index = s->n_called++ % s->n_shares;
	return true;
}

bool schedule_is_over(const struct schedule *s, uint64_t now_ns)
{
	if (now_ns >= s->stop_ns)
		return true;
	/* the share of a connection that has failed is never taken */
	return (s->rate && s->is_shared ? s->n_called : s->n_taken) >=
	       s->n_requests;
}

uint64_t schedule_next_ns(const struct schedule *s)
{
	if (!s->stop_ns || !s->rate || s->n_called >= s->n_requests)
		return s->stop_ns ? s->stop_ns : UINT64_MAX;
	return min_u64(s->stop_ns, schedule_due_ns(s, s->n_called));
}

/* The first request that is due at @ns or later. */
static uint64_t first_due_at(const struct schedule *s, uint64_t ns)
{
	uint64_t past_ns = ns - s->start_ns;
	uint64_t k = past_ns / NS_PER_S * s->rate +
		     past_ns % NS_PER_S * s->rate / NS_PER_S;

	while (schedule_due_ns(s, k) < ns)
		k++;
	return k;
}

uint64_t schedule_n_unsent(const struct schedule *s)
{
	uint64_t n_due = s->n_requests;

	if (!s->rate)
		return 0;
	if (s->stop_ns != UINT64_MAX)
		n_due = min_u64(n_due, first_due_at(s, s->stop_ns));
	return n_due - min_u64(n_due, s->n_taken);
}
