/*
 * OpenSSL reads UTCTime and GeneralizedTime (RFC 5280 4.1.2.5) into the parts
 * of a date, and C99 has no function from there to the epoch in UTC.
 */


#include "gate_time.h"


int
gate_time_read(const ASN1_TIME *time, time_t *sec)
{
    long       year, month, days;
    struct tm  tm;

    if (time == NULL || ASN1_TIME_to_tm(time, &tm) == 0) {
        return -1;
    }

    /* years and months from March, so that a leap day ends a year */

    year = tm.tm_year + 1900 - (tm.tm_mon < 2);
    month = (tm.tm_mon + 10) % 12;

    days = 365 * year + year / 4 - year / 100 + year / 400
           + (153 * month + 2) / 5 + tm.tm_mday - 1 - 719468;

    *sec = (time_t) days * 86400
           + tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;

    return 0;
}
