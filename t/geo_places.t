#!/usr/bin/perl

# Several databases: each field from the first that has it for an address, by
# the names of MaxMind, DB-IP and IPinfo, and in variables.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my @fields = qw(country continent city asn latitude longitude);

my $t = Test::Gate->new;

$t->document('report', 1000);

# a Country database is asked first, a City database knows more

$t->countries('203.0.113.0/24' => { country => { iso_code => 'JP' },
                                    continent => { code => 'AS' } },
              '10.0.0.0/8' => { country => { iso_code => 'jp' } });

database('city', 28,
    '203.0.113.0/25' => { country => { iso_code => 'US' },
                          city => { names => { de => 'Tokio',
                                               en => "T\x{14d}ky\x{14d}" } },
                          location => { latitude => 35.68951,
                                        longitude => 139.69171,
                                        accuracy_radius => 20 } },
    '203.0.113.128/25' => { city => { names => { de => 'Osaka' } } },
    '198.51.100.0/24' => { country => { iso_code => 'CL' },
                           continent => { code => 'SA' },
                           city => { names => { en => "Punta\nArenas" } },
                           location => { latitude => -53.15,
                                         longitude => -70.91667 } },
    '2001:db8::/32' => { country => { iso_code => 'FJ' },
                         continent => { code => 'OC' },
                         city => { names => { en => 'Suva' } },
                         location => { latitude => -18.1416,
                                       longitude => -0.0001 } });

database('asn', 24,
    '203.0.113.0/24' => { autonomous_system_number => 2497 },
    '2001:db8::/32' => { autonomous_system_number => 4294967295 });

Test::Gate::Countries::database("$t->{dir}/ipinfo.mmdb",
    record_size => 32,
    types => { map { $_ => 'utf8_string' } qw(country continent city) },
    networks => {
        '203.0.113.0/24' => { country => 'CN' },
        '192.0.2.0/25' => { country => 'Germany', country_code => 'DE',
                            continent => 'Europe', continent_code => 'EU',
                            city => 'Kiel', lat => '54.3213', lng => '10.1348',
                            asn => 'AS680' },
        '192.0.2.128/25' => { country => 'FR', continent => 'EU',
                              city => '', lat => 'x', lng => '2', asn => 'AS',
                              vpn => 'true' } });

my $add = join "\n", map { "add_header $_ \$gate_$_ always;" } @fields;
my $log = join '|', map { "\$gate_$_" } @fields;

$t->nginx($t->conf(http => <<"END", server => <<"END2"));
    gate_geoip  city.mmdb;
    gate_geoip  asn.mmdb     reload=off;
    gate_geoip  ipinfo.mmdb  reload=1h;

    log_format  place  escape=none '$log';

    gate_policy north {
        certificate    off;
        allow_country  continent:AS;
    }
END
        $add
        access_log  %%DIR%%/place.log place;

        location /north/ { gate north; alias %%DIR%%/docs/; }
END2

my @places = (
    [ '203.0.113.5', 'JP|AS|Tōkyō|2497|35.6895|139.6917',
      'each field from the first database that has it' ],
    [ '203.0.113.133', 'JP|AS||2497||', 'a city without an English name' ],
    [ '198.51.100.5', 'CL|SA|||-53.1500|-70.9167',
      'south and west; a name that could forge a line is none' ],
    [ '2001:db8::5', 'FJ|OC|Suva|4294967295|-18.1416|-0.0001', 'IPv6' ],
    [ '::ffff:203.0.113.5', 'JP|AS|Tōkyō|2497|35.6895|139.6917',
      'IPv4 in IPv6' ],
    [ '192.0.2.5', 'DE|EU|Kiel|680|54.3213|10.1348', 'IPinfo' ],
    [ '192.0.2.133', 'FR|EU||||', 'IPinfo, with what is no value' ],
    [ '10.0.0.1', 'unknown|unknown||||', 'a code that is none' ],
    [ '172.16.0.1', 'unknown|unknown||||', 'nowhere' ],
);

my $client = $t->client;
my $lines = 0;

for (@places) {
    my ($from, $place, $what) = @$_;

    my $r = $client->request('/report', from => $from);

    is(join('|', map { $r->{headers}{$_} // '' } @fields), $place, $what);
    is($t->logged(++$lines, 'place.log'), $place, "$what: in the log");
}

is($client->request('/north/report', from => '203.0.113.5')->{status}, 200,
   'a rule: the continent of one');
is($client->request('/north/report', from => '198.51.100.5')->{status}, 403,
   'the continent of the next on the same connection');

# without any database

my $none = Test::Gate->new;

$none->document('report', 1000);
$none->certificate('alice');
$none->nginx($none->conf(server => $add) =~ s/ gate_geoip [^\n]+//r);

my $r = $none->get('/report', from => '203.0.113.5');

is(join('|', $r->{status}, map { $r->{headers}{$_} // '' } @fields),
   '200||||||', 'without a database they are empty');

$_->stop for @{ $none->{nginx} };
is($none->{nginx}[0]->faults, '', 'without a database: no alerts');

$t->done;

sub database {
    my ($name, $bits, %networks) = @_;

    Test::Gate::Countries::database("$t->{dir}/$name.mmdb",
                                    record_size => $bits,
                                    networks => \%networks);
}
