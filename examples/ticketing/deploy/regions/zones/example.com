; 30 s: how long a buyer may still be sent to a region that is gone.
@     60 SOA ns1 hostmaster 1 7200 1800 259200 60
@        NS  ns1
@        NS  ns2
ns1  300 A   192.0.2.53
ns2  300 A   203.0.113.53
tickets 30 DYNA geoip!tickets
